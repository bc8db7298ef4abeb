#![no_main]

efficientad_fuzz::parser!("real_iad");
