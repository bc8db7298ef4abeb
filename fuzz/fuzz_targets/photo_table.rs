#![no_main]

efficientad_fuzz::parser!("photo_table");
