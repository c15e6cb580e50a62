package e2e_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// TestBoard_ShowsWhatTheAPISays: somebody logs in to the board of a node and sees a phone
// register, a cut with its two halves, what to do about a DN behind it, and the heal.
// BOARD_PICTURES names a directory for pictures of each scene, at three sizes.
func TestBoard_ShowsWhatTheAPISays(t *testing.T) {
	t.Parallel()
	needPrograms(t, "chromium")
	c := newCluster(t, cluster.Config{Nodes: 3, Loopback: true, Secured: true}, false)
	for _, n := range c.Nodes() {
		must(t, n.Start(t.Context(), "--dev"))
	}
	ph := phones(t, c.Node(1), numbers(8801, 30)...)
	b := openBoard(t, c)
	b.shows(`document.querySelectorAll('#map [data-node]').length`, "3")
	b.fits("empty")
	b.isLit()

	softUA(t, c.Node(2), ph[0], "udp")
	expectSeen(t, starting, inServiceAt(c.Node(2)), ph[:1], c.Nodes()...)
	b.shows(rowOf(ph[0].dn), fmt.Sprintf("● in service|registered|%s (%s)", c.Node(2).Name(), c.Node(2).Site()))
	softUA(t, c.Node(3), ph[1], "udp") // later than the board has the other one: news of two nodes overtake each other
	b.shows(`document.querySelector('#event-rows li')?.dataset.dn`, ph[1].dn)
	b.agrees(c.Node(1))
	b.fits("register")

	setCut(t, c.Node(1), c.Node(2).Name())
	setCut(t, c.Node(2), c.Node(1).Name())
	b.shows(`document.querySelector('#map [data-node="`+c.Node(2).Name()+`"]').dataset.heard`, "false")
	b.shows(rowOf(ph[0].dn), fmt.Sprintf("○ out of service|peer-lost|%s (%s)", c.Node(2).Name(), c.Node(2).Site()))
	b.shows(`[...document.querySelectorAll('#map .sign')].map(s => s.firstChild.data).filter(s => '✕?'.includes(s)).sort().join('')`, "??✕")
	b.agrees(c.Node(1))
	b.shows(`document.querySelector('#event-rows li:not([data-dn])')?.textContent.includes('lost `+c.Node(2).Name()+`: ')`, "true")
	b.fits("cut")
	b.goes("#/dn/" + ph[0].dn)
	b.shows(`document.querySelector('#dn .sentence')?.textContent.includes('peer-lost')`, "true")
	b.fits("why")
	b.goes("#/")
	late := openBoard(t, c) // who looks because something has happened sees what
	late.shows(`[...document.querySelectorAll('#event-rows li')].some(l => l.textContent.includes('lost `+c.Node(2).Name()+`: '))`, "true")
	late.shows(`[...document.querySelectorAll('#event-rows li')].some(l => l.dataset.dn === '`+ph[0].dn+`' && l.textContent.includes('peer-lost'))`, "true")

	setCut(t, c.Node(1))
	setCut(t, c.Node(2))
	b.shows(rowOf(ph[0].dn), fmt.Sprintf("● in service|registered|%s (%s)", c.Node(2).Name(), c.Node(2).Site()))
	b.shows(`[...document.querySelectorAll('#map .sign')].filter(s => '✕?'.includes(s.firstChild.data)).length`, "0")
	b.agrees(c.Node(1))
	b.fits("healed")

	late.needs(newToken(t, c, configpb.Role_ROLE_STAT), "may not call Survey") // a role that may not look at it all
}

func newToken(t *testing.T, c *cluster.Cluster, role configpb.Role) string {
	t.Helper()
	conn, err := c.Node(1).Dial(cluster.TCPort)
	must(t, err)
	defer conn.Close()
	made, err := configpb.NewAccessClient(conn).CreateToken(t.Context(), &configpb.CreateTokenRequest{Name: role.String(), Role: role})
	must(t, err)
	return made.GetSecret()
}

// needs opens the page with a token that is not enough: it asks for another one, and says why.
func (b *boardPage) needs(token, why string) {
	b.t.Helper()
	_, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`sessionStorage.setItem('sipcluster-token', "`+token+`"); location.reload(); ""`))
	must(b.t, err)
	b.shows(`document.getElementById('login').open && document.getElementById('refused').textContent.includes("`+why+`")`, "true")
}

func rowOf(dn string) string {
	return `[1, 2, 3].map(i => document.querySelector('tr[data-dn="` + dn + `"]')?.cells[i].textContent).join('|')`
}

func setCut(t *testing.T, n *cluster.Node, from ...string) {
	t.Helper()
	conn, err := n.Dial(cluster.TCPort)
	must(t, err)
	defer conn.Close()
	_, err = peerpb.NewFabricClient(conn).SetCut(t.Context(), &peerpb.SetCutRequest{Nodes: from})
	must(t, err)
}

// boardPage is a browser that shows the board of the cluster's first node.
type boardPage struct {
	t   *testing.T
	ctx context.Context //nolint:containedctx // it is chromedp's browser
}

func openBoard(t *testing.T, c *cluster.Cluster) *boardPage {
	t.Helper()
	allocator, cancel := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("chromium"), chromedp.NoSandbox, chromedp.WindowSize(1400, 1000),
		chromedp.Flag("ignore-certificate-errors", true), chromedp.UserDataDir(t.TempDir()))...)
	t.Cleanup(cancel)
	ctx, closed := chromedp.NewContext(allocator, chromedp.WithErrorf(t.Logf))
	t.Cleanup(closed)
	b := &boardPage{t, ctx}
	admin, err := c.Admin()
	must(t, err)
	_, err = chromedp.Run(ctx, chromedp.Navigate(fmt.Sprintf("https://%s/", c.Node(1).Addr(cluster.HTTPPort)))) // the browser lives as long as the context
	must(t, err)
	b.does(chromedp.WaitVisible("#token"), chromedp.SendKeys("#token", admin.Token+"\n"))
	b.shows(`document.getElementById('live').textContent`, "live")
	b.shows(`document.getElementById('login').open`, "false")
	return b
}

func (b *boardPage) does(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 2*starting)
	defer cancel()
	for _, a := range actions {
		_, err := chromedp.Run(ctx, a)
		must(b.t, err)
	}
}

// goes follows a link of the page.
func (b *boardPage) goes(to string) {
	b.t.Helper()
	_, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`location.hash = "`+to+`"`))
	must(b.t, err)
}

// shows waits until an expression on the page is what is wanted.
func (b *boardPage) shows(expression, want string) {
	b.t.Helper()
	eventually(b.t, starting, "the board says "+want, func(context.Context) error {
		got, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("String("+expression+")"))
		if err == nil && got != want {
			err = fmt.Errorf("%s is %q", expression, got)
		}
		return err
	})
}

// agrees compares, on a page that asks for nothing and complains of nothing, the counts and the state of each row with what the node answers by gRPC.
func (b *boardPage) agrees(n *cluster.Node) {
	b.t.Helper()
	b.shows(`document.querySelector('dialog[open]') === null && document.getElementById('problems').textContent`, "")
	st, err := n.Status(b.t.Context())
	must(b.t, err)
	b.shows(`document.querySelector('#counts b').textContent`, fmt.Sprint(st.GetDns().GetInService()))
	list, err := n.Availability().ListDNs(b.t.Context(), &tcpb.ListDNsRequest{PageSize: 100})
	must(b.t, err)
	var rows []string
	for _, d := range list.GetDns() {
		rows = append(rows, d.GetDn()+map[tcpb.DNState]string{tcpb.DNState_DN_STATE_IN_SRV: " in service"}[d.GetState()])
	}
	b.shows(`[...document.querySelectorAll('#dn-rows tbody tr')].map(r => r.dataset.dn + (r.dataset.state === 'in service' ? ' in service' : '')).join()`, strings.Join(rows, ","))
}

// isLit: the system's choice of light and dark is followed, until somebody makes another.
func (b *boardPage) isLit() {
	b.t.Helper()
	system := func(scheme string) {
		b.does(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
			_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
			return err
		}))
	}
	for _, scheme := range []string{"dark", "light", "dark"} {
		system(scheme)
		b.shows(`document.documentElement.dataset.theme`, scheme)
	}
	b.does(chromedp.Click("#theme"))
	b.shows(`document.documentElement.dataset.theme`, "light")
	system("light")
	system("dark")
	b.shows(`document.documentElement.dataset.theme`, "light")
}

// fits: at no size is anything cut off at the right; and keeps how the board looks, where
// somebody wants to see it.
func (b *boardPage) fits(scene string) {
	b.t.Helper()
	dir := os.Getenv("BOARD_PICTURES")
	for _, size := range []struct{ width, height int64 }{{1400, 1000}, {820, 1180}, {390, 844}} {
		b.does(chromedp.EmulateViewport(size.width, size.height))
		b.shows(`[document.documentElement, ...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth).map(e => (e.id || e.firstChild.id) + ' ' + e.scrollWidth + ' > ' + e.clientWidth).join()`, "")
		if dir == "" {
			continue
		}
		png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
		must(b.t, err)
		must(b.t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d.png", scene, size.width)), png, 0o600))
	}
	b.does(chromedp.EmulateViewport(1400, 1000))
}
