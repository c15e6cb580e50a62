package main

import (
	"context"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/cmd/internal/clienttest"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// lineBuffer keeps what a command prints while it runs.
type lineBuffer struct {
	mu  sync.Mutex
	all strings.Builder
}

func (b *lineBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.Write(p)
}

func (b *lineBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.String()
}

// registersAt is a phone that has registered at a node.
func (o operator) registersAt(number string, at node.Config) *siptest.Phone {
	o.t.Helper()
	p, err := siptest.NewPhone(siptest.Config{DN: number, Password: "secret", Domain: "example.org", Server: at.SIPAddr})
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(p.Close)
	if err := accepted(p.Register(o.t.Context(), time.Hour)); err != nil {
		o.t.Fatal(err)
	}
	patience.Until(o.t, "the DN is seen there", func() bool {
		return strings.Contains(o.does("", "dn", "get", number, "-o", "json"), `"state":"InSrv","owner":"`+at.Name+`"`)
	})
	return p
}

// answered runs a command on a terminal whose user types a line.
func (o operator) answered(line string, args ...string) (status int, out, errs string) {
	o.t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		o.t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.WriteString(w, line+"\n"); err != nil {
		o.t.Fatal(err)
	}
	w.Close()
	var stdout, stderr strings.Builder
	c, _ := clienttest.Plain()
	c.In, c.Out, c.Err, c.Terminal = r, &stdout, &stderr, func(uintptr) bool { return true }
	status = run(o.t.Context(), c.Console, append(args, "--addr", o.addr))
	return status, stdout.String(), stderr.String()
}

// A node is drained until its phone has moved, and is removed then without a question;
// before that nobody removes it by mistake.
func TestNode_DrainAndRemove(t *testing.T) {
	a := oneNode(t)
	b := startNode(t, node.Config{Name: "sip2", Site: "dc2", Join: []string{a.ClusterAddr}})
	o := operator{t, a.TCAddr}
	o.does("secret\n", "dn", "put", "1001", "--password-file", "-")
	patience.Until(t, "sip2 knows the DN", func() bool {
		status, out, _ := runCLI(t.Context(), "", "dn", "get", "1001", "--addr", b.TCAddr)
		return status == exitDone && out != ""
	})
	o.registersAt("1001", b)

	o.fails("", "node remove sip2: it has 1 DN in service and 0 calls up: drain it first (node drain sip2 --wait), or use --force", "node", "remove", "sip2")
	status, _, errs := o.answered("n", "node", "remove", "sip2")
	if want := "node sip2: it has 1 DN in service and 0 calls up. Remove it all the same? [y/N] sipcluster: node remove sip2: it has 1 DN in service and 0 calls up: not removed\n"; status != exitFailed || errs != want {
		t.Errorf("%d %q", status, errs)
	}

	out, ended := &lineBuffer{}, make(chan int, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		c, _ := clienttest.Plain()
		c.Out, c.Err = out, out
		ended <- run(ctx, c.Console, []string{"node", "drain", "sip2", "--wait", "--addr", a.TCAddr})
	}()
	patience.Until(t, "what is left", func() bool { return strings.Contains(out.String(), "moved 0, left 1, calls up 0\n") })
	o.registersAt("1001", a)
	if status := patience.Receive(t, "the end of the drain", ended); status != exitDone || !strings.HasSuffix(out.String(), "moved 1, left 0, calls up 0\nnode sip2 is drained: 1 DN moved\n") {
		t.Errorf("%d %q", status, out)
	}

	o.does("", "node", "drain", "sip2", "--undo")
	patience.Until(t, "sip2 takes part again", func() bool {
		_, out, _ := runCLI(t.Context(), "", "status", "--addr", b.TCAddr)
		return out != "" && !strings.Contains(out, "draining")
	})
	o.registersAt("1001", b)
	if status, out, errs := o.answered("y", "node", "remove", "sip2"); status != exitDone || out != "node sip2 removed\n" {
		t.Errorf("%d %q %q", status, out, errs)
	}
}
