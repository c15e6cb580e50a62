package e2e_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

// TestBrowser_APhoneOfWebPages: phones made of JsSIP and of SIP.js register
// with a digest over a node's WebSocket, in service at the other node too, and
// are out of service when their browser dies.
func TestBrowser_APhoneOfWebPages(t *testing.T) {
	t.Parallel()
	needPrograms(t, "chromium")
	scripts := bundle(t)
	c, sockets := browserCluster(t)
	ph := phones(t, c.Node(1), "8101", "8102")
	for i, library := range []string{"jssip", "sipjs"} {
		t.Run(library, func(t *testing.T) {
			p := openPage(t, scripts, library, settings(sockets[0], ph[i]))
			p.wait("registered")
			expectSeen(t, soon, inServiceAt(c.Node(1)), ph[i:i+1], c.Nodes()...)
			p.kill()
			expectSeen(t, soon, nobody, ph[i:i+1], c.Nodes()...)
		})
		t.Run(library+" with the wrong password", func(t *testing.T) {
			wrong := settings(sockets[0], ph[i])
			wrong.Set("password", "wrong")
			openPage(t, scripts, library, wrong).wait("failed")
		})
	}
}

// settings are what a page has to know to be a phone.
func settings(socket string, p phone) url.Values {
	return url.Values{"server": {"ws://" + socket}, "dn": {p.dn}, "realm": {p.realm}, "password": {p.password}}
}

// TestBrowser_CallsThroughTheOtherNode: a phone of one library at one node
// calls one of the other library at the other node. Both hear each other, and
// the call ends for both.
func TestBrowser_CallsThroughTheOtherNode(t *testing.T) {
	t.Parallel()
	needPrograms(t, "chromium")
	scripts := bundle(t)
	c, sockets := browserCluster(t)
	for i, libraries := range [][2]string{{"jssip", "sipjs"}, {"sipjs", "jssip"}} {
		t.Run(libraries[0]+" calls "+libraries[1], func(t *testing.T) {
			ph := phones(t, c.Node(1), numbers(8111+10*i, 2)...)
			callee := openPage(t, scripts, libraries[1], settings(sockets[1], ph[1]))
			callee.wait("registered")
			expectSeen(t, soon, inServiceAt(c.Node(2)), ph[1:], c.Nodes()...)
			args := settings(sockets[0], ph[0])
			args.Set("call", ph[1].dn)
			caller := openPage(t, scripts, libraries[0], args)
			callee.wait("rings")
			for _, p := range []*page{caller, callee} {
				p.wait("talks")
				p.wait("hears")
			}
			caller.hangUp()
			caller.wait("ended")
			callee.wait("ended")
		})
	}
}

// browserCluster is two nodes on this machine, each with a WebSocket.
func browserCluster(t *testing.T) (c *cluster.Cluster, sockets []string) {
	t.Helper()
	c = newCluster(t, cluster.Config{Nodes: 2, Loopback: true}, true)
	for _, n := range c.Nodes() {
		socket := freeAddr(t, n)
		must(t, n.Start(t.Context(), "--sip-ws-addr", socket))
		sockets = append(sockets, socket)
	}
	return c, sockets
}

// bundle is where the script of each library is. They are made from npm by
// `make browser-bundles`; one that is not of the present sources is an error.
func bundle(t *testing.T) (dir string) {
	t.Helper()
	sums, err := os.ReadFile("browser/bundles/sources.sha256")
	must(t, err)
	for line := range strings.Lines(string(sums)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		source, err := os.ReadFile("browser/" + name)
		must(t, err)
		if got := fmt.Sprintf("%x", sha256.Sum256(source)); got != sum {
			t.Fatalf("browser/bundles is not made of the present %s: run make browser-bundles", name)
		}
	}
	return "browser/bundles"
}

// page is a browser that shows one page.
type page struct {
	t      *testing.T
	cmd    *exec.Cmd
	ended  chan struct{}
	events chan pageEvent
	over   chan struct{} // closed when the page is to hang up
}

type pageEvent struct{ What, Detail string }

// openPage starts a headless browser with the page of a library. The page is
// served from 127.0.0.1, where scripts may use a microphone without TLS.
func openPage(t *testing.T, scripts, library string, args url.Values) *page {
	t.Helper()
	p := &page{t: t, ended: make(chan struct{}), events: make(chan pageEvent, 100), over: make(chan struct{})}
	mux := http.NewServeMux()
	mux.Handle("/scripts/", http.StripPrefix("/scripts/", http.FileServer(http.Dir(scripts))))
	mux.HandleFunc("POST /event", func(_ http.ResponseWriter, r *http.Request) {
		var e pageEvent
		if json.NewDecoder(r.Body).Decode(&e) == nil {
			p.events <- e
		}
	})
	mux.HandleFunc("GET /over", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-p.over:
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, "<!doctype html><title>phone</title><script type=module src=/scripts/%s.js></script>", library)
	})
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	p.cmd = exec.Command("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
		"--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--allow-loopback-in-peer-connection", "--ignore-certificate-errors",
		"--user-data-dir="+t.TempDir(), "--remote-debugging-port=0", web.URL+"/?"+args.Encode())
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	must(t, p.cmd.Start())
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait()
	}()
	t.Cleanup(p.kill)
	return p
}

// wait waits until the page says what.
func (p *page) wait(what string) {
	p.t.Helper()
	deadline := time.NewTimer(starting)
	defer deadline.Stop()
	for {
		select {
		case e := <-p.events:
			p.t.Log("the page says:", e.What, e.Detail)
			if e.What == what {
				return
			}
			if e.What == "error" || e.What == "failed" {
				p.t.Fatalf("the page says %s %s, want %s", e.What, e.Detail, what)
			}
		case <-p.ended:
			p.t.Fatal("the browser ended")
		case <-deadline.C:
			p.t.Fatalf("the page never says %s", what)
		}
	}
}

// hangUp ends the page's call.
func (p *page) hangUp() { close(p.over) }

// kill ends the browser with all its processes, as a crash would.
func (p *page) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.ended
}
