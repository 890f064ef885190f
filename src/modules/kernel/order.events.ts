/** An order has changed its status; the id is the order's. */
export const ORDER_CHANGED = 'order-changed';
