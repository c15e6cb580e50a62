package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/credential"
)

// contextsEnv names the file with the contexts of who uses a secured cluster: node 1
// writes that of the administrator there when it makes the cluster.
const contextsEnv = "SIPCLUSTER_CONTEXTS"

func (c *Cluster) contexts() string { return filepath.Join(c.cfg.Dir, "contexts.yaml") }

// Admin is the first administrator of a secured cluster, as node 1 has him now.
func (c *Cluster) Admin() (credential.Context, error) {
	b, err := credential.ReadSecret(filepath.Join(c.Node(1).DataDir(), "admin.context"))
	if err != nil {
		return credential.Context{}, err
	}
	return credential.ParseContext(b)
}

// settings are TLS as the administrator's context says at each connection: the
// authorities change while clients stay.
func (c *Cluster) settings() *tls.Config {
	s := credential.TLS(nil)
	s.VerifyConnection = func(state tls.ConnectionState) error {
		admin, err := c.Admin()
		if err != nil {
			return err
		}
		return credential.Verify(state.PeerCertificates, admin.Authorities)
	}
	return s
}

// administrator proves with each request who asks.
type administrator struct{ *Cluster }

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (a administrator) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	admin, err := a.Admin()
	return map[string]string{credential.Header: credential.Bearer + admin.Token}, err
}

// RequireTransportSecurity implements credentials.PerRPCCredentials.
func (administrator) RequireTransportSecurity() bool { return true }

// proofs are those of the administrator.
func (c *Cluster) proofs() []grpc.DialOption {
	if !c.cfg.Secured {
		return []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	}
	return []grpc.DialOption{
		grpc.WithTransportCredentials(credentials.NewTLS(c.settings())), grpc.WithPerRPCCredentials(administrator{c}),
	}
}

// Access is a client of who may use the cluster, at the node.
func (n *Node) Access() configpb.AccessClient { return configpb.NewAccessClient(n.conn) }

// invite writes an invite for a node that has no key yet, made by any node that runs.
func (n *Node) invite() error {
	if _, err := os.Stat(filepath.Join(n.DataDir(), "node.crt")); err == nil || n == n.cluster.Node(1) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), n.cluster.cfg.ReadyWithin)
	defer cancel()
	_, err := Eventually(ctx, n.cluster.cfg.ReadyWithin, "an invite for "+n.name, func(ctx context.Context) error {
		err := errors.New("no node runs")
		for _, other := range n.Peers() {
			if other == n || !other.Running() {
				continue
			}
			var r *configpb.CreateInviteResponse
			ask, cancel := context.WithTimeout(ctx, 3*time.Second)
			r, err = other.Access().CreateInvite(ask, &configpb.CreateInviteRequest{NodeName: n.name, LifetimeS: 3600})
			if cancel(); err == nil {
				return os.WriteFile(n.inviteFile(), []byte(r.GetLine()+"\n"), 0o600)
			}
		}
		return err
	})
	return err
}

func (n *Node) inviteFile() string { return filepath.Join(n.dir, "invite") }

// Get asks the node's HTTP port for a path, as the administrator.
func (n *Node) Get(ctx context.Context, from *Place, path string) ([]byte, error) {
	scheme, transport := "http", &http.Transport{DisableKeepAlives: true, DialContext: from.Dial}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "", nil)
	if err != nil {
		return nil, err
	}
	if n.cluster.cfg.Secured {
		scheme, transport.TLSClientConfig = "https", n.cluster.settings()
		transport.TLSClientConfig.NextProtos = []string{"http/1.1"}
		admin, err := n.cluster.Admin()
		if err != nil {
			return nil, err
		}
		req.Header.Set(credential.Header, credential.Bearer+admin.Token)
	}
	if req.URL, err = req.URL.Parse(fmt.Sprintf("%s://%s%s", scheme, n.Addr(HTTPPort), path)); err != nil {
		return nil, err
	}
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s of %s: %s: %.100s", path, n.name, res.Status, b)
	}
	return b, err
}
