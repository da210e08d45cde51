// Where statistics of S2FP8 lie, words of a workspace: sums of the fractions and of the exponents of log2 |x| + 127, lower and upper
// halves; how many numbers; bits of the largest; the largest magnitude of all, Inf and NaN included.
const FRACTIONS = 0u;
const EXPONENTS = 2u;
const COUNT = 4u;
const LARGEST_NUMBER = 5u;
const AMAX = 6u;
