//! Is what stands in the trace what the registry was asked?
