//! The room as a whole, over a real store.

mod binding;
mod budget;
mod covering;
mod ending;
mod house;
mod life;
mod model;
mod rules;
