package email

import "context"

// Probe connects to the mail server and logs in, and sends nothing.
func (c *Channel) Probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, Timeout, errNoAnswer)
	defer cancel()
	client, conn, err := c.client()
	if err != nil {
		return c.failure(ctx, nil, err)
	}
	defer conn.close()
	stop := context.AfterFunc(ctx, conn.close)
	defer stop()
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return c.failure(ctx, nil, err)
	}
	_ = client.CloseWithSMTPClient(session) // it has answered
	return nil
}
