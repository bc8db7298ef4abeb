#![no_main]

efficientad_fuzz::parser!("region_runs");
