//! Cedar: what a principal may do
