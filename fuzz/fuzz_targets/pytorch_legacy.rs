#![no_main]

efficientad_fuzz::parser!("pytorch_legacy");
