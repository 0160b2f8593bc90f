/** What one run of the load says: requests, seconds, and latencies in microseconds. */
export function summary(latencies, elapsedUs) {
  const seconds = elapsedUs / 1e6;
  return {
    requests: latencies.total,
    seconds,
    rps: latencies.total / seconds,
    p50Us: latencies.percentile(0.5),
    p99Us: latencies.percentile(0.99),
  };
}
