import { childEnvironment } from '../../src/config/environment.js';

describe('what a process that we start gets of our environment', () => {
  it('is what a program needs to run, and nothing else', () => {
    const env = { PATH: '/bin', HOME: '/home/a', LANG: 'C', API_KEY: 'k', NODE_OPTIONS: '--inspect', AWS_PROFILE: 'p' };
    expect(childEnvironment(env, 'linux')).toEqual({ PATH: '/bin', HOME: '/home/a', LANG: 'C' });
    expect(childEnvironment({ ...env, SYSTEMROOT: 'C:\\Windows' }, 'win32')).toEqual({
      PATH: '/bin',
      SYSTEMROOT: 'C:\\Windows',
    });
  });

  it('is no function that a shell exported', () => {
    expect(childEnvironment({ TERM: '() { :; }; echo', SHELL: '/bin/sh' }, 'linux')).toEqual({ SHELL: '/bin/sh' });
  });
});
