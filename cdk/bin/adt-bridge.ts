/** Entry point of the CDK command line. */
import { BridgeApp } from '../lib/bridge-app.ts';
import { ParameterError } from '../lib/parameters.ts';

try {
  // The command line fills these in from the credentials in use. Without credentials a template can still be made.
  new BridgeApp({ account: process.env['CDK_DEFAULT_ACCOUNT'], region: process.env['CDK_DEFAULT_REGION'] ?? 'us-east-1' }).synth();
} catch (error) {
  if (!(error instanceof ParameterError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
