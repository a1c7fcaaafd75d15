//! A pipeline at work: reader → worker → writer, with bounded hand-overs between them.
