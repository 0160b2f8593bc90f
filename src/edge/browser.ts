/** How each system opens an address; no shell reads it. */
const OPENERS: Readonly<Record<string, readonly [command: string, ...before: string[]]>> = {
  darwin: ['open'],
  win32: ['rundll32', 'url.dll,FileProtocolHandler'],
};

/** Opens an http or https address in the person's own browser. Where there is none, nothing happens: the address is told besides. `env`: all of its environment. */
export async function openInBrowser(url: URL, env: Readonly<Record<string, string>>): Promise<void> {
  if (!/^https?:$/.test(url.protocol)) return;
  // Few starts open one, and every start would pay.
  const { spawn } = await import('node:child_process');
  const [command, ...before] = OPENERS[process.platform] ?? ['xdg-open'];
  const child = spawn(command, [...before, url.href], { detached: true, stdio: 'ignore', env: { ...env } });
  child.on('error', () => {});
  child.unref();
}
