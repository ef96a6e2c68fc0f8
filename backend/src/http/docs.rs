//! Pages for people who program against Jalon.
