#![no_main]

efficientad_fuzz::parser!("visa_table");
