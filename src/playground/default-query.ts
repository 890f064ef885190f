/** What an empty editor says. */
export const DEFAULT_QUERY = `# Ready-made operations are in the panel on the left: choose one, fill in its variables
# below, and press Ctrl-Enter (on a Mac also Cmd-Enter) to run it.
#
# Ctrl-Space completes what you type; the documentation of the API is behind the book.

query Hello {
  globalConfig {
    name
  }
}
`;
