package client

import (
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// An address at which nobody listened once is not said to have nobody later.
func TestExplain_ForgetsAConnectionThatFailed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	addr := l.Addr().String()
	c, err := Connect(addr, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.trace.sent.Store(true)
	lost := status.Error(codes.Unavailable, "EOF")
	if conn, err := c.trace.dial(t.Context(), []string{"127.0.0.1:1"}); err == nil {
		_ = conn.Close()
		t.Fatal("somebody listens at port 1")
	}
	if got := c.Explain(lost); !errors.Is(got, ErrNobody) {
		t.Errorf("got %v", got)
	}
	conn, err := c.trace.dial(t.Context(), []string{addr})
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	if got := c.Explain(lost); got.Error() != fmt.Sprintf("the node at %s is unavailable (EOF)", addr) {
		t.Errorf("got %v", got)
	}
}
