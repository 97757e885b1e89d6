/** Resolves when all are answered; rejects with the first of their failures. */
export async function allDone(orders: readonly Promise<unknown>[]): Promise<void> {
  const answers = await Promise.allSettled(orders);
  const failure = answers.find((answer) => answer.status === 'rejected');
  if (failure) throw failure.reason;
}
