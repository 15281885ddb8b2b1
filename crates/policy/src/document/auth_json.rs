//! Mia-Platform's `auth.json`.
