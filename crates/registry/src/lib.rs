//! Known servers and their definitions
