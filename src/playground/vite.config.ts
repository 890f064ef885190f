import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

export default defineConfig({
  root: import.meta.dirname,
  // Relative, so that a proxy can expose the page under any path.
  base: './',
  plugins: [react()],
  worker: { format: 'es' },
  build: {
    outDir: '../../dist/playground',
    emptyOutDir: true,
    target: 'es2023',
    // Never inlines assets: data: URLs would need a less strict content security policy.
    assetsInlineLimit: 0,
    // The editor is about that large.
    chunkSizeWarningLimit: 6_000,
  },
});
