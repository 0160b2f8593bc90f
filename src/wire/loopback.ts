/** True for a host that only this machine answers; `hostname` as a URL has it. */
export function isLoopbackHost(hostname: string): boolean {
  return /^((.+\.)?localhost\.?|127(\.\d{1,3}){3}|\[::1\])$/.test(hostname);
}
