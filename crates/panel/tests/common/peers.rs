//! Programs that nobody here wrote, against a panel's API: OpenStack's own command line,
//! gophercloud as Terraform uses it, and apache-libcloud. Over any cloud: what differs is said by
//! [`Site`].

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use testkit::process::{self, Finished};
use testkit::program::{find, peers};

use super::PASSWORD;

/// Starting a Python program with OpenStack's libraries takes a second on a good day.
const DEADLINE: Duration = Duration::from_secs(180);
const GOPATH: &str = "/usr/share/gocode";

/// A panel, and what is in its cloud.
pub struct Site {
    /// Of Keystone's version 3.
    pub identity: String,
    /// Where keys and other files may be put.
    pub folder: PathBuf,
    /// The region beside `ams`.
    pub other_region: &'static str,
    /// The image that a server is rebuilt with.
    pub other_image: &'static str,
    /// The memory of the flavor `small`.
    pub small_mib: &'static str,
    /// What a server's console prints at its start.
    pub boots: &'static str,
    /// Whether there are servers to log in to.
    pub real: bool,
}

fn python_peer(name: &str) -> Option<PathBuf> {
    let venv = peers().join("panel-venv");
    if venv.join("installed.txt").exists() {
        return Some(venv.join("bin").join(name));
    }
    println!("not run: no {name} of OpenStack here: run scripts/install-test-peers.sh");
    None
}

impl Site {
    fn run(&self, mut command: Command, user: &str) -> Finished {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("OS_") {
                command.env_remove(name);
            }
        }
        command
            .env("OS_AUTH_URL", &self.identity)
            .env("OS_USERNAME", user)
            .env("OS_PASSWORD", PASSWORD)
            .env("OS_PROJECT_NAME", user)
            .env("OS_USER_DOMAIN_NAME", "Default")
            .env("OS_PROJECT_DOMAIN_NAME", "Default")
            .env("OS_IDENTITY_API_VERSION", "3")
            .env("NO_PROXY", "127.0.0.1")
            .env("KEY", self.key())
            .env("LOGIN", if self.real { "1" } else { "" });
        process::run(&mut command, b"", DEADLINE)
    }

    /// A key pair by OpenSSH, made when it is first asked for.
    fn key(&self) -> PathBuf {
        let key = self.folder.join("client-key");
        if !key.exists() {
            let made = Command::new("/usr/bin/ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-C", "me@vm", "-f"])
                .arg(&key)
                .status();
            assert!(made.is_ok_and(|status| status.success()), "ssh-keygen");
        }
        key
    }

    /// As OpenSSH says it, without what stands around it.
    fn fingerprint(&self) -> String {
        let mut command = Command::new("/usr/bin/ssh-keygen");
        command.args(["-l", "-E", "md5", "-f"]).arg(self.key());
        let said = process::run(&mut command, b"", DEADLINE).text();
        said.split(' ').nth(1).unwrap().trim_start_matches("MD5:").to_owned()
    }

    /// One process for all commands, since each start costs more than what it does.
    pub fn openstack(&self, user: &str, steps: &[(String, &str)]) {
        let Some(program) = python_peer("openstack") else { return };
        let driver = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/openstack_steps.py");
        let mut command = Command::new(program.with_file_name("python"));
        command.arg(driver).args(["--os-region-name", "ams"]);
        for (step, holds) in steps {
            command.arg("--step").arg(step).arg(holds);
        }
        let done = self.run(command, user);
        assert!(done.success(), "{done}");
        assert!(done.text().contains(&format!("all {} steps", steps.len())), "{done}");
    }

    /// A server's whole life: what is asked, and what the answer must hold.
    pub fn openstack_life(&self) {
        let public = format!("{}.pub", self.key().display());
        let fingerprint = self.fingerprint();
        let login = |name: &str, command: &str| {
            let key = self.key();
            let ssh = if self.real { "login" } else { "#" };
            format!("{ssh} {name} {} {command}", key.display())
        };
        let Self { other_image, other_region, small_mib, boots, .. } = self;
        // The client's own `--wait` looks every five seconds, so that it is tried once.
        let steps = [
            ("token issue -f value -c project_id".to_owned(), ""),
            ("catalog list -f value -c Name".to_owned(), "nova"),
            ("catalog show compute -f value -c endpoints".to_owned(), "/compute/ams/v2.1"),
            ("region list -f value -c Region".to_owned(), other_region),
            (format!("keypair create --public-key {public} mykey -f value -c fingerprint"), &*fingerprint),
            ("keypair create made".to_owned(), "PRIVATE KEY"),
            ("keypair list -f value -c Name".to_owned(), "made\nmykey"),
            ("keypair show --public-key mykey".to_owned(), "ssh-ed25519 "),
            ("flavor list -f value -c Name".to_owned(), "small"),
            ("flavor show small -f value -c ram".to_owned(), small_mib),
            ("image list -f value -c Name".to_owned(), "this-system"),
            ("image show this-system -f value -c status".to_owned(), "active"),
            ("network list -f value -c Name".to_owned(), "public"),
            ("server create --flavor small --image this-system --key-name mykey --network public --wait web -f value -c status".to_owned(), "ACTIVE"),
            (login("web", "uname -n"), "web"),
            ("server create --flavor small --image this-system --key-name mykey plain -f value -c name".to_owned(), "plain"),
            ("server list -f value -c Name -c Networks".to_owned(), "web {'public': ['10.78.0.1']}"),
            ("server show web -f value -c key_name".to_owned(), "mykey"),
            ("console log show web".to_owned(), boots),
            ("console log show --lines 3 web".to_owned(), ""),
            ("console url show web -f value -c url".to_owned(), "ticket="),
            (login("web", "touch /root/stays"), ""),
            ("server reboot web".to_owned(), ""),
            ("until server show web -f value -c status".to_owned(), "ACTIVE"),
            (login("web", "ls /root"), "stays"),
            ("server reboot --hard web".to_owned(), ""),
            ("until server show web -f value -c status".to_owned(), "ACTIVE"),
            (format!("server rebuild --image {other_image} --key-name mykey web -f value -c status"), "REBUILD"),
            ("until server show web -f value -c status".to_owned(), "ACTIVE"),
            (login("web", "'ls /root | wc -l'"), "0"),
            ("server set --name web2 --description text web".to_owned(), ""),
            ("server set --property a=b --tag c web2".to_owned(), ""),
            ("server show web2 -f value -c properties -c tags -c description".to_owned(), "text"),
            ("server lock --reason because web2".to_owned(), ""),
            ("server unlock web2".to_owned(), ""),
            ("server stop web2".to_owned(), ""),
            ("until server show web2 -f value -c status".to_owned(), "SHUTOFF"),
            ("server start web2".to_owned(), ""),
            ("until server show web2 -f value -c status".to_owned(), "ACTIVE"),
            (login("web2", "id -u"), "0"),
            ("server event list web2 -f value -c Action".to_owned(), "rebuild"),
            ("server list --name web2 --status ACTIVE -f value -c Name".to_owned(), "web2"),
            ("server delete --wait web2 plain".to_owned(), ""),
            ("server list -f json".to_owned(), "[]"),
            ("keypair delete mykey made".to_owned(), ""),
            ("application credential create ci -f value -c name".to_owned(), "ci"),
            ("application credential list -f value -c Name".to_owned(), "ci"),
            ("application credential delete ci".to_owned(), ""),
            ("limits show --absolute -f value -c Name".to_owned(), "instances_used"),
            ("availability zone list --compute -f value".to_owned(), "nova available"),
        ];
        let steps: Vec<_> = steps.into_iter().filter(|(step, _)| !step.starts_with('#')).collect();
        self.openstack("demo", &steps);
    }

    pub fn libcloud(&self) {
        let Some(python) = python_peer("python") else { return };
        let mut command = Command::new(python);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/libcloud_steps.py"));
        let done = self.run(command, "demo");
        let steps = 15 + u32::from(self.real);
        assert!(done.success() && done.text().contains(&format!("all {steps} steps")), "{done}");
    }

    pub fn gophercloud(&self) {
        let library = Path::new(GOPATH).join("src/github.com/gophercloud/gophercloud");
        let (Some(go), true) = (find("go"), library.is_dir()) else {
            println!("not run: no gophercloud here: run scripts/install-test-peers.sh");
            return;
        };
        let cache = peers().join("go");
        std::fs::create_dir_all(&cache).unwrap();
        let program = self.folder.join("gophercloud");
        let mut build = Command::new(go);
        build
            .args(["build", "-o"])
            .arg(&program)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/gophercloud.go"))
            .env("GO111MODULE", "off")
            .env("GOPATH", GOPATH)
            .env("GOCACHE", cache.join("cache"));
        let built = self.run(build, "demo");
        assert!(built.success(), "{built}");
        let done = self.run(Command::new(program), "demo");
        let steps = 23 + u32::from(self.real);
        assert!(done.success() && done.text().contains(&format!("all {steps} steps")), "{done}");
    }
}
