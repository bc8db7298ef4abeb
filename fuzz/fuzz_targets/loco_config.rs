#![no_main]

efficientad_fuzz::parser!("loco_config");
