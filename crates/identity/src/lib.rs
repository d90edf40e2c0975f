//! Tenants, principals and tokens: who is calling
