#![no_main]

efficientad_fuzz::parser!("model_header");
