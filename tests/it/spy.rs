//! spy
