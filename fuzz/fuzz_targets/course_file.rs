#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| jalon_tests::garbage::course_file(data));
