//! What comes in at the edge: headers of proxies and of those who claim to be some, and cookies of all kinds.

mod layers;
mod nginx;
mod properties;
mod table;
