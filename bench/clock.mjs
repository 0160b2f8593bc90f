/** Microseconds on the monotonic clock that all processes of a Linux machine share. */
export function nowUs() {
  return Number(process.hrtime.bigint()) / 1000;
}
