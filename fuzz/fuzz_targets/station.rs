#![no_main]

efficientad_fuzz::parser!("station");
