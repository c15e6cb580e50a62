package client

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/contexts"
	"github.com/sipcluster/sipcluster/api/credential"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

// Somebody at a node's machine who has no context yet, and whose node binds another
// address than the one that is asked by itself.
func TestTarget_WithoutAContextAtANodesMachine(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	silent := l.Addr().String()
	_ = l.Close()
	left := credential.Context{Name: "admin", Addresses: []string{"192.0.2.1:7001"}, Authorities: []string{strings.Repeat("0", 64)}, Token: credential.NewToken().String()}
	b, err := left.Encode()
	if err != nil {
		t.Fatal(err)
	}
	op := &Operator{Console: &console.Console{}, Timeout: time.Second, Machine: filepath.Join(t.TempDir(), "admin.context")}
	if err := os.WriteFile(op.Machine, b, 0o600); err != nil {
		t.Fatal(err)
	}
	made, err := op.assumed(&contexts.File{}, "", []string{silent})
	if err != nil || made.As == nil || !slices.Equal(made.Addrs, left.Addresses) {
		t.Errorf("where the cluster was made its administrator's context says where the node is: %+v, %v", made, err)
	}
	known, err := op.assumed(&contexts.File{Contexts: []credential.Context{{Name: "another"}}}, "", []string{silent})
	if err != nil || known.As != nil {
		t.Errorf("who has contexts is asked for one: %+v, %v", known, err)
	}
	op.Machine = filepath.Join(t.TempDir(), "none")
	joined, err := op.assumed(&contexts.File{}, "", []string{silent})
	if err != nil {
		t.Fatal(err)
	}
	cl, err := ConnectTo(joined, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if _, err := Unary(t.Context(), cl, cl.Cluster.Status, &tcpb.StatusRequest{}); err == nil || !strings.Contains(err.Error(), "sipcluster login") {
		t.Errorf("it has to say what to do: %v", err)
	}
}
