#![no_main]

efficientad_fuzz::parser!("output_position");
