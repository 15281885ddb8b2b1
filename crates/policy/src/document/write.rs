//! A policy as the text of a `policy.yaml`.
