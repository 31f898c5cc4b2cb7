//! Readers of labelled data.
