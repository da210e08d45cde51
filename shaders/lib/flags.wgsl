// Flags of a record.
const HAS_NAN = 1u;
const NON_FINITE_AMAX = 2u;
const LOST_NAN = 4u;
const INDEX = 8u;
