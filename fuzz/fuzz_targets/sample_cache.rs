#![no_main]

efficientad_fuzz::parser!("sample_cache");
