export async function pushes() {}
