/** A server of the matrix as a program on stdio: `legacy` or `modern`. */
import { runOnStdio } from './servers.js';

await runOnStdio(process.argv[2] === 'legacy' ? 'legacy' : 'modern');
process.exit();
