//! Clusters with faults and byzantine nodes, for tests only.
