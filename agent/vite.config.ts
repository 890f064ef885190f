import { builtinModules } from 'node:module';
import { resolve } from 'node:path';
import { defineConfig } from 'vite';

/** One file with everything that the agent needs. */
export default defineConfig({
  root: resolve('agent'),
  build: {
    ssr: 'main.ts',
    target: 'node20',
    outDir: resolve('dist/agent'),
    emptyOutDir: true,
    rollupOptions: {
      external: [...builtinModules, /^node:/],
      output: {
        entryFileNames: 'tessera-agent.mjs',
        inlineDynamicImports: true,
        // Packages in CommonJS use it.
        banner:
          "import { fileURLToPath as toPath } from 'node:url';\nconst __filename = toPath(import.meta.url);",
      },
    },
  },
  ssr: { noExternal: true },
});
