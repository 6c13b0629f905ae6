import { defineConfig } from 'vitest/config';

/** Needs the release binaries and an emulator; scripts/cdk.sh brings both. */
export default defineConfig({ test: { include: ['test/running/*.test.ts'], testTimeout: 60_000, hookTimeout: 120_000 } });
