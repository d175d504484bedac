pub(crate) const MUTANTS: &[(u32, &str, &str)] = &[];
