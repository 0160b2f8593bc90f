/** Buckets per power of two: a value is known to within 1.6 %. */
const BITS = 6;
const BUCKETS = (32 - BITS) << BITS;

/** Counts of whole microseconds up to 35 minutes, in buckets that widen with the value. */
export class Histogram {
  #counts = new Uint32Array(BUCKETS);
  #total = 0;

  get total() {
    return this.#total;
  }

  record(us) {
    const value = Math.min(Math.max(0, us), 0x7fffffff) | 0;
    const shift = Math.max(0, 31 - Math.clz32(value) - BITS);
    this.#counts[(shift << BITS) + (value >>> shift)] += 1;
    this.#total += 1;
  }

  /** The middle of the bucket that holds the given share (0 to 1) of all values; undefined where nothing was recorded. */
  percentile(share) {
    let left = Math.max(1, Math.ceil(share * this.#total));
    const index = this.#counts.findIndex((count) => {
      left -= count;
      return left <= 0;
    });
    if (index < 0) return undefined;
    const shift = Math.max(0, (index >> BITS) - 1);
    return ((index - (shift << BITS)) << shift) + 2 ** shift / 2;
  }
}
