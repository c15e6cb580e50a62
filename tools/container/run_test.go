package container

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// engine does what a container engine would do with the Compose file: volumes, a network
// namespace a service, a root that is the image and can't be written, and no privileges.
type engine struct {
	t       *testing.T
	dir     string
	image   v1.Image
	config  *v1.ConfigFile
	project *types.Project
	running map[string]*exec.Cmd
	hosts   string
}

// TestImage_RunsTheComposeFile: the image unpacked and run as the Compose file says:
// three nodes that know each other by keys, and a Prometheus that scrapes them by TLS.
// In namespaces of scripts/test-image; IMAGE is the image.
func TestImage_RunsTheComposeFile(t *testing.T) {
	if os.Getenv("IMAGE") == "" {
		t.Skip("scripts/test-image runs this")
	}
	e := newEngine(t)
	e.network("sip1", "sip2", "sip3", "prometheus")
	for _, node := range []string{"sip1", "sip2-invite", "sip2", "sip3-invite", "sip3", "prometheus-token", "prometheus-authority", "sip2-invite"} {
		e.up(node)
	}
	status := e.exec("sip1", "status", "--check", "-o", "json")
	for _, want := range []string{`"quorum":true`, `"node":"sip2"`, `"node":"sip3"`} {
		if !strings.Contains(status, want) {
			t.Errorf("status lacks %s: %s", want, status)
		}
	}
	if strings.Contains(status, `"insecure":true`) {
		t.Error("the cluster asks nobody who he is")
	}
	e.scraped()
	for _, node := range []string{"sip3", "sip2", "sip1"} {
		e.stop(node)
	}
}

func newEngine(t *testing.T) *engine {
	t.Helper()
	image, err := tarball.ImageFromPath(os.Getenv("IMAGE"), nil)
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	e := &engine{t: t, dir: os.Getenv("WORK"), image: image, config: config, project: project(t), running: map[string]*exec.Cmd{}}
	t.Cleanup(func() {
		for name, cmd := range e.running {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			if log, _ := os.ReadFile(filepath.Join(e.dir, name+".log")); t.Failed() {
				t.Logf("%s: %s", name, log)
			}
		}
	})
	return e
}

// sh runs a command of the machine.
func (e *engine) sh(args ...string) {
	e.t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		e.t.Fatalf("%v: %v: %s", args, err, out)
	}
}

// network gives each service its namespace at one bridge, and names.
func (e *engine) network(names ...string) {
	e.sh("ip", "link", "add", "br0", "type", "bridge")
	e.sh("ip", "addr", "add", "10.77.0.1/24", "dev", "br0")
	e.sh("ip", "link", "set", "br0", "up")
	e.sh("ip", "link", "set", "lo", "up")
	hosts := "127.0.0.1 localhost\n"
	for i, name := range names {
		inside := []string{"ip", "-n", name}
		e.sh("ip", "netns", "add", name)
		e.sh("ip", "link", "add", fmt.Sprintf("v%d", i), "type", "veth", "peer", "name", "eth0", "netns", name)
		e.sh("ip", "link", "set", fmt.Sprintf("v%d", i), "master", "br0", "up")
		e.sh(append(inside, "addr", "add", fmt.Sprintf("10.77.0.%d/24", 11+i), "dev", "eth0")...)
		e.sh(append(inside, "link", "set", "eth0", "up")...)
		e.sh(append(inside, "link", "set", "lo", "up")...)
		hosts += fmt.Sprintf("10.77.0.%d %s\n", 11+i, name)
	}
	e.hosts = hosts
	if err := os.WriteFile(filepath.Join(e.dir, "hosts"), []byte(hosts), 0o644); err != nil {
		e.t.Fatal(err)
	}
}

// up starts a service as compose does, when what it depends on is as it shall be: until
// it is healthy, or has ended well.
func (e *engine) up(name string) {
	e.t.Helper()
	s, err := e.project.GetService(name)
	if err != nil {
		e.t.Fatal(err)
	}
	root := e.root(name, &s)
	netns := name
	if _, err := os.Stat("/run/netns/" + name); err != nil {
		netns = "sip1" // one that only asks
	}
	cmd := e.command(netns, root, s.Command)
	log, err := os.Create(filepath.Join(e.dir, name+".log"))
	if err != nil {
		e.t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if s.HealthCheck == nil {
		if err := cmd.Run(); err != nil {
			said, _ := os.ReadFile(log.Name())
			e.t.Fatalf("%s: %v: %s", name, err, said)
		}
		return
	}
	if err := cmd.Start(); err != nil {
		e.t.Fatal(err)
	}
	e.running[name] = cmd
	e.until(name+" is healthy", func() error {
		out, err := e.command(netns, root, s.HealthCheck.Test[2:]).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
}

// command runs in a namespace and a root as the image's user, with the image's
// environment and nothing of the machine's. A health check names the program itself.
func (e *engine) command(netns, root string, args []string) *exec.Cmd {
	line := []string{"--net=/run/netns/" + netns, "chroot", "--userspec=" + e.config.Config.User, "--groups=", root}
	if len(args) == 0 || args[0] != e.config.Config.Entrypoint[0] {
		args = append(append([]string{}, e.config.Config.Entrypoint...), args...)
	}
	cmd := exec.Command("nsenter", append(line, args...)...)
	cmd.Env = append([]string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, e.config.Config.Env[1:]...)
	return cmd
}

// root unpacks the image, mounts the service's volumes, and makes the rest read-only.
func (e *engine) root(name string, s *types.ServiceConfig) string {
	e.t.Helper()
	root := filepath.Join(e.dir, "roots", name)
	if _, err := os.Stat(root); err == nil {
		return root
	}
	unpack(e.t, mutate.Extract(e.image), root)
	if err := os.WriteFile(filepath.Join(root, "etc/hosts"), []byte(e.hosts), 0o644); err != nil {
		e.t.Fatal(err)
	}
	for _, dir := range []string{"proc", "dev"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			e.t.Fatal(err)
		}
	}
	e.sh("mount", "--bind", root, root)
	e.sh("mount", "-t", "proc", "proc", filepath.Join(root, "proc"))
	e.sh("mount", "--bind", "/dev", filepath.Join(root, "dev"))
	e.sh("mount", "-t", "tmpfs", "tmpfs", filepath.Join(root, "tmp"))
	for _, v := range s.Volumes {
		at, source := filepath.Join(root, v.Target), filepath.Join(e.dir, "volumes", v.Source)
		if _, err := os.Stat(source); errors.Is(err, os.ErrNotExist) {
			e.sh("mkdir", "-p", filepath.Dir(source))
			e.sh("cp", "-a", at, source) // a new volume begins as what the image has there
		}
		e.sh("mount", "--bind", source, at)
		if v.ReadOnly {
			e.sh("mount", "-o", "remount,bind,ro", at)
		}
	}
	if s.ReadOnly {
		e.sh("mount", "-o", "remount,bind,ro", root)
	}
	return root
}

func unpack(t *testing.T, layers io.ReadCloser, root string) {
	t.Helper()
	defer layers.Close()
	for r := tar.NewReader(layers); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(root, h.Name)
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(path, 0o755)
		} else {
			var b []byte
			if b, err = io.ReadAll(r); err == nil {
				err = os.WriteFile(path, b, 0o644)
			}
		}
		if err := errors.Join(err, os.Chown(path, h.Uid, h.Gid), os.Chmod(path, h.FileInfo().Mode())); err != nil {
			t.Fatal(err)
		}
	}
}

// exec is `docker compose exec`.
func (e *engine) exec(name string, args ...string) string {
	e.t.Helper()
	out, err := e.command(name, filepath.Join(e.dir, "roots", name), args).CombinedOutput()
	if err != nil {
		e.t.Fatalf("%v: %v: %s", args, err, out)
	}
	return string(out)
}

func (e *engine) until(what string, check func() error) {
	e.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var err error
	for range 600 {
		if err = check(); err == nil {
			return
		}
		<-tick.C
	}
	e.t.Fatalf("waited in vain until %s: %v", what, err)
}

// stop ends a service by the image's signal: well, and in the time that compose gives it.
func (e *engine) stop(name string) {
	e.t.Helper()
	cmd := e.running[name]
	delete(e.running, name)
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		log, _ := os.ReadFile(filepath.Join(e.dir, name+".log"))
		e.t.Errorf("%s ended with %v: %s", name, err, log)
	}
}

// scraped runs this machine's Prometheus with the Compose file's command and files.
func (e *engine) scraped() {
	program, err := exec.LookPath("prometheus")
	if err != nil {
		fmt.Println("NOT RUN: that Prometheus scrapes the containers: apt-get install prometheus")
		return
	}
	s, err := e.project.GetService("prometheus")
	if err != nil {
		e.t.Fatal(err)
	}
	for _, v := range s.Volumes {
		source := v.Source
		if v.Type == types.VolumeTypeVolume {
			source = filepath.Join(e.dir, "volumes", v.Source)
			e.sh("mkdir", "-p", v.Target)
		} else {
			e.sh("touch", v.Target)
		}
		e.sh("mount", "--bind", source, v.Target)
	}
	e.sh("mount", "--bind", filepath.Join(e.dir, "hosts"), "/etc/hosts")
	line := append([]string{"--net=/run/netns/prometheus", "setpriv", "--reuid=65532", "--regid=65532", "--clear-groups", program}, s.Command...)
	cmd := exec.Command("nsenter", line...)
	log, err := os.Create(filepath.Join(e.dir, "prometheus.log"))
	if err != nil {
		e.t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		e.t.Fatal(err)
	}
	e.running["prometheus"] = cmd
	query := "http://10.77.0.14:9090/api/v1/query?query=" + url.QueryEscape(`count(up{job="sipcluster"} == 1 and on (instance) sipcluster_certificate_expiry_timestamp_seconds > time())`)
	e.until("all three nodes are scraped by TLS", func() error {
		res, err := http.Get(query)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err == nil && !strings.Contains(string(b), `"3"`) {
			err = errors.New(string(b))
		}
		return err
	})
}
