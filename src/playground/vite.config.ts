import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

export default defineConfig({
  root: import.meta.dirname,
  // Relative, so that the page works wherever a proxy puts it.
  base: './',
  plugins: [react()],
  worker: { format: 'es' },
  build: {
    outDir: '../../dist/playground',
    emptyOutDir: true,
    target: 'es2023',
    // A file of its own for everything: what is in data: URLs would need a laxer policy.
    assetsInlineLimit: 0,
    // The editor is that large.
    chunkSizeWarningLimit: 6_000,
  },
});
