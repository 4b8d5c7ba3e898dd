// Drives the panel's API through gophercloud, as Terraform's provider does, and prints each step.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud"
	"github.com/gophercloud/gophercloud/openstack"
	"github.com/gophercloud/gophercloud/openstack/compute/v2/extensions/keypairs"
	"github.com/gophercloud/gophercloud/openstack/compute/v2/extensions/startstop"
	"github.com/gophercloud/gophercloud/openstack/compute/v2/flavors"
	"github.com/gophercloud/gophercloud/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/openstack/identity/v3/regions"
	"github.com/gophercloud/gophercloud/openstack/imageservice/v2/images"
	"github.com/gophercloud/gophercloud/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/openstack/networking/v2/ports"
)

var steps int

func step(name string, err error) {
	steps++
	if err != nil {
		fmt.Printf("%2d FAILED %s: %v\n", steps, name, err)
		os.Exit(1)
	}
	fmt.Printf("%2d ok %s\n", steps, name)
}

func expect(holds bool, what string, args ...interface{}) error {
	if holds {
		return nil
	}
	return fmt.Errorf(what, args...)
}

func wait(client *gophercloud.ServiceClient, id, status string) error {
	for i := 0; i < 200; i++ {
		server, err := servers.Get(client, id).Extract()
		if err != nil {
			return err
		}
		if server.Status == status {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("never %s", status)
}

func login(server *servers.Server, key string) error {
	for _, at := range server.Addresses {
		first := at.([]interface{})[0].(map[string]interface{})
		said, err := exec.Command("ssh", "-F", "none", "-i", key, "-o", "BatchMode=yes",
			"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
			"-o", "LogLevel=ERROR", fmt.Sprintf("root@%s", first["addr"]), "uname -n").CombinedOutput()
		if err != nil {
			return fmt.Errorf("%v: %s", err, said)
		}
		return expect(string(said) == "gopher-2\n", "another server: %s", said)
	}
	return fmt.Errorf("no address")
}

func main() {
	key := os.Getenv("KEY")
	line, err := os.ReadFile(key + ".pub")
	if err != nil {
		panic(err)
	}
	publicKey := strings.TrimSpace(string(line))
	options := gophercloud.AuthOptions{
		IdentityEndpoint: os.Getenv("OS_AUTH_URL"),
		Username:         os.Getenv("OS_USERNAME"),
		Password:         os.Getenv("OS_PASSWORD"),
		TenantName:       os.Getenv("OS_PROJECT_NAME"),
		DomainName:       "Default",
	}
	provider, err := openstack.AuthenticatedClient(options)
	step("authenticate", err)
	region := gophercloud.EndpointOpts{Region: "ams"}
	compute, err := openstack.NewComputeV2(provider, region)
	step("compute endpoint", err)
	image, err := openstack.NewImageServiceV2(provider, region)
	step("image endpoint", err)
	network, err := openstack.NewNetworkV2(provider, region)
	step("network endpoint", err)
	identity, err := openstack.NewIdentityV3(provider, gophercloud.EndpointOpts{})
	step("identity endpoint", err)

	pages, err := regions.List(identity, nil).AllPages()
	if err == nil {
		var list []regions.Region
		list, err = regions.ExtractRegions(pages)
		if err == nil {
			err = expect(len(list) == 2, "%d regions", len(list))
		}
	}
	step("regions", err)

	_, err = keypairs.Create(compute, keypairs.CreateOpts{Name: "gopher", PublicKey: publicKey}).Extract()
	step("import key pair", err)
	made, err := keypairs.Create(compute, keypairs.CreateOpts{Name: "made"}).Extract()
	if err == nil {
		err = expect(made.PrivateKey != "", "no private key")
	}
	step("generate key pair", err)
	pages, err = keypairs.List(compute).AllPages()
	if err == nil {
		var list []keypairs.KeyPair
		list, err = keypairs.ExtractKeyPairs(pages)
		if err == nil {
			err = expect(len(list) == 2, "%d key pairs", len(list))
		}
	}
	step("list key pairs", err)
	shown, err := keypairs.Get(compute, "gopher").Extract()
	if err == nil {
		err = expect(shown.PublicKey == publicKey, "another key: %s", shown.PublicKey)
	}
	step("show key pair", err)

	pages, err = flavors.ListDetail(compute, nil).AllPages()
	var flavor string
	if err == nil {
		list, e := flavors.ExtractFlavors(pages)
		if err = e; err == nil {
			flavor = list[0].ID
		}
	}
	step("list flavors", err)
	pages, err = images.List(image, images.ListOpts{Name: "this-system"}).AllPages()
	var imageID string
	if err == nil {
		list, e := images.ExtractImages(pages)
		if err = e; err == nil {
			imageID = list[0].ID
		}
	}
	step("find image", err)
	pages, err = networks.List(network, networks.ListOpts{Name: "public"}).AllPages()
	var networkID string
	if err == nil {
		list, e := networks.ExtractNetworks(pages)
		if err = e; err == nil {
			networkID = list[0].ID
		}
	}
	step("find network", err)

	server, err := servers.Create(compute, keypairs.CreateOptsExt{
		CreateOptsBuilder: servers.CreateOpts{
			Name: "gopher-1", FlavorRef: flavor, ImageRef: imageID,
			Networks: []servers.Network{{UUID: networkID}},
			Metadata: map[string]string{"by": "gophercloud"},
			UserData: []byte("#!/bin/sh\n"),
		},
		KeyName: "gopher",
	}).Extract()
	step("create server", err)
	step("becomes active", wait(compute, server.ID, "ACTIVE"))
	got, err := servers.Get(compute, server.ID).Extract()
	if err == nil {
		err = expect(got.KeyName == "gopher" && got.Flavor["id"] == flavor && len(got.Addresses) == 1,
			"not as asked for: %+v", got)
	}
	step("show server", err)
	pages, err = ports.List(network, ports.ListOpts{DeviceID: server.ID}).AllPages()
	if err == nil {
		list, e := ports.ExtractPorts(pages)
		if err = e; err == nil {
			err = expect(len(list) == 1, "%d ports", len(list))
		}
	}
	step("its port", err)
	output, err := servers.ShowConsoleOutput(compute, server.ID, servers.ShowConsoleOutputOpts{Length: 5}).Extract()
	if err == nil {
		err = expect(output != "", "no output")
	}
	step("console output", err)
	err = servers.Reboot(compute, server.ID, servers.RebootOpts{Type: servers.SoftReboot}).ExtractErr()
	if err == nil {
		err = wait(compute, server.ID, "ACTIVE")
	}
	step("reboot", err)
	err = startstop.Stop(compute, server.ID).ExtractErr()
	if err == nil {
		err = wait(compute, server.ID, "SHUTOFF")
	}
	step("stop", err)
	err = startstop.Start(compute, server.ID).ExtractErr()
	if err == nil {
		err = wait(compute, server.ID, "ACTIVE")
	}
	step("start", err)
	_, err = servers.Rebuild(compute, server.ID, servers.RebuildOpts{ImageRef: imageID, Name: "gopher-2"}).Extract()
	if err == nil {
		err = wait(compute, server.ID, "ACTIVE")
	}
	step("rebuild", err)
	if os.Getenv("LOGIN") != "" {
		step("login", login(got, key))
	}
	err = servers.Delete(compute, server.ID).ExtractErr()
	if err == nil {
		_, gone := servers.Get(compute, server.ID).Extract()
		_, missing := gone.(gophercloud.ErrDefault404)
		err = expect(missing, "still there: %v", gone)
	}
	step("delete server", err)
	for _, name := range []string{"gopher", "made"} {
		if err == nil {
			err = keypairs.Delete(compute, name).ExtractErr()
		}
	}
	if err != nil {
		step("delete key pairs", err)
	}
	fmt.Printf("all %d steps\n", steps)
}
