/** Initial content of an empty editor. */
export const DEFAULT_QUERY = `# Choose a ready-made operation on the left, fill
# in its variables below, and press Ctrl-Enter
# (or Cmd-Enter on a Mac) to run it.
#
# Ctrl-Space completes what you type. The book
# icon opens the API documentation.

query Hello {
  plans {
    name
    description
  }
}
`;
