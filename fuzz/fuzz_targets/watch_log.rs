#![no_main]

efficientad_fuzz::parser!("watch_log");
