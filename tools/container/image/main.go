// Command image writes a container image with nothing but the program, the authorities of
// Mozilla's list, and what names its user, without a daemon or a base image:
//
//	image -program FILE -license FILE -version 1.2.3 -out FILE.tar
//
// The same program and flags give the same bytes. `docker load -i` and `podman load -i`
// take the file.
package main

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// uid is the user and group that the program runs as: nobody on the machine, as usual
// for images without a system of their own.
const uid = 65532

// entry is a file, or with mode os.ModeDir a directory, of the layer.
type entry struct {
	path string
	mode os.FileMode
	own  bool // the program's user owns it
	data []byte
}

type flags struct {
	program, license, version, revision, arch, out string
	epoch                                          int64
}

func main() {
	var f flags
	flag.StringVar(&f.program, "program", "", "the static program")
	flag.StringVar(&f.license, "license", "", "its license")
	flag.StringVar(&f.version, "version", "", "what the image is tagged with")
	flag.StringVar(&f.revision, "revision", "", "commit")
	flag.StringVar(&f.arch, "arch", "amd64", "as Go calls it")
	flag.Int64Var(&f.epoch, "epoch", 0, "the time of all files, seconds since 1970")
	flag.StringVar(&f.out, "out", "", "the file to write")
	flag.Parse()
	if err := f.write(); err != nil {
		log.Fatal("image: ", err)
	}
}

func (f *flags) write() error {
	layer, err := f.layer()
	if err != nil {
		return err
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return err
	}
	config = config.DeepCopy()
	f.describe(config)
	if image, err = mutate.ConfigFile(image, config); err != nil {
		return err
	}
	tag, err := name.NewTag("sipcluster:" + f.version)
	if err != nil {
		return err
	}
	return tarball.WriteToFile(f.out, tag, image)
}

// describe says how a container of the image runs.
func (f *flags) describe(c *v1.ConfigFile) {
	made := v1.Time{Time: time.Unix(f.epoch, 0).UTC()}
	c.Architecture, c.OS, c.Created = f.arch, "linux", made
	c.History = []v1.History{{Created: made, CreatedBy: "sipcluster"}}
	c.Config = v1.Config{
		User: fmt.Sprintf("%d:%d", uid, uid), WorkingDir: "/var/lib/sipcluster",
		Entrypoint: []string{"/usr/bin/sipcluster"}, Cmd: []string{"server"}, StopSignal: "SIGTERM",
		Env:     []string{"PATH=/usr/bin", "HOME=/var/lib/sipcluster", "SIPCLUSTER_DATA_DIR=/var/lib/sipcluster"},
		Volumes: map[string]struct{}{"/var/lib/sipcluster": {}},
		ExposedPorts: map[string]struct{}{
			"5060/udp": {}, "5060/tcp": {}, "5061/tcp": {}, "5066/tcp": {}, "5067/tcp": {},
			"7000/tcp": {}, "7001/tcp": {}, "7002/tcp": {}, "7003/tcp": {}, "7003/udp": {}, "7080/tcp": {},
		},
		Healthcheck: &v1.HealthConfig{Test: []string{"CMD", "/usr/bin/sipcluster", "ready"}, Interval: 10 * time.Second, Timeout: 6 * time.Second, StartPeriod: 90 * time.Second, Retries: 3},
		Labels: map[string]string{
			"org.opencontainers.image.title":         "sipcluster",
			"org.opencontainers.image.description":   "A cluster of SIP Servers that agree on which agents are available",
			"org.opencontainers.image.version":       f.version,
			"org.opencontainers.image.revision":      f.revision,
			"org.opencontainers.image.created":       made.Format(time.RFC3339),
			"org.opencontainers.image.licenses":      "Apache-2.0",
			"org.opencontainers.image.source":        "https://github.com/sipcluster/sipcluster",
			"org.opencontainers.image.documentation": "https://github.com/sipcluster/sipcluster/tree/main/docs",
		},
	}
}

func (f *flags) layer() (v1.Layer, error) {
	program, err := os.ReadFile(f.program)
	if err != nil {
		return nil, err
	}
	license, err := os.ReadFile(f.license)
	if err != nil {
		return nil, err
	}
	b, err := f.pack(entries(program, license))
	if err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil })
}

func entries(program, license []byte) []entry {
	dir := func(path string, mode os.FileMode, own bool) entry {
		return entry{path: path, mode: mode | os.ModeDir, own: own}
	}
	text := func(path, s string) entry { return entry{path: path, mode: 0o644, data: []byte(s)} }
	return []entry{
		dir("etc", 0o755, false),
		text("etc/group", fmt.Sprintf("root:x:0:\nsipcluster:x:%d:\n", uid)),
		text("etc/nsswitch.conf", "hosts: files dns\n"),
		text("etc/passwd", fmt.Sprintf("root:x:0:0:root:/:/none\nsipcluster:x:%d:%d:sipcluster:/var/lib/sipcluster:/none\n", uid, uid)),
		dir("etc/sipcluster", 0o755, false),
		dir("etc/ssl", 0o755, false), dir("etc/ssl/certs", 0o755, false),
		{path: "etc/ssl/certs/ca-certificates.crt", mode: 0o644, data: authorities()},
		dir("secrets", 0o700, true), // for a volume that begins as its user's
		dir("tmp", 0o777|os.ModeSticky, false),
		dir("usr", 0o755, false), dir("usr/bin", 0o755, false),
		{path: "usr/bin/sipcluster", mode: 0o755, data: program},
		dir("usr/share", 0o755, false), dir("usr/share/doc", 0o755, false), dir("usr/share/doc/sipcluster", 0o755, false),
		{path: "usr/share/doc/sipcluster/LICENSE", mode: 0o644, data: license},
		dir("var", 0o755, false), dir("var/lib", 0o755, false),
		dir("var/lib/sipcluster", 0o700, true),
	}
}

// authorities are those of Mozilla's list, as the module of Go's that go.sum pins has them;
// not those with conditions, which a file of certificates can't express.
func authorities() []byte {
	var b bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate})
		}
	}
	return b.Bytes()
}

func (f *flags) pack(entries []entry) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{Name: e.path, Mode: int64(e.mode.Perm()), Size: int64(len(e.data)), ModTime: time.Unix(f.epoch, 0), Typeflag: tar.TypeReg, Format: tar.FormatPAX}
		if e.mode.IsDir() {
			h.Name, h.Typeflag = e.path+"/", tar.TypeDir
		}
		if e.mode&os.ModeSticky != 0 {
			h.Mode |= 0o1000
		}
		if e.own {
			h.Uid, h.Gid = uid, uid
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(e.data); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
